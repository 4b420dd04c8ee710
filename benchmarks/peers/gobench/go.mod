module acmez.invalid/benchmarks/gobench

go 1.26
