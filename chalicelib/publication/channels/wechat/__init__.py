"""The WeChat official account as a channel."""
