"""What can be known of the infrastructure without AWS: `python -m infra.checks`, a part of `make check`.

One module per concern, each a handful of functions that read a `Tree` and yield findings. What another tool knows
better is asked of that tool (cfn-lint, the SAM translator, statelint, asl-validator, parliament); the rest is what
these tools miss and what would hurt. `infra/checks/catalogue.py` lists them all; a new check is a function and a line
there.
`tests/infra/test_check_mutations.py` proves of each that it finds what it is for.
"""
