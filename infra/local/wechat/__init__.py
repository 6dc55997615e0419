"""The WeChat platform's stand-in, as documented: one official account on a server of its own, on loopback."""
