"""`imprimatur doctor`: what is wrong with an environment and with the account that it is in.

A check is a function in a module here, and a line in `register.py`. A new feature brings its own.
"""
