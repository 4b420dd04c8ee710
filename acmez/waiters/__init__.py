"""Waiters that come with acmez; each is imported where it is used."""
