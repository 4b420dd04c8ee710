"""Looks for input that makes a reader of acmez raise anything but acmez's own errors."""
