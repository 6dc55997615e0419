"""What a package for AWS is made of: the target it is for, its dependencies, its bytecode, its bytes."""
