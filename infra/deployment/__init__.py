"""Brings an environment's stacks to AWS, back to an earlier release, and away again. boto3 only."""
