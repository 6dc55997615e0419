"""The package of what is too heavy for the application's functions: a function of its own, without `chalicelib`."""
