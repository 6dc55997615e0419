"""E-mail as a channel: one message per person of the audience (clauses 4.4.1 to 4.4.3).

`mailing` says what can become of a recipient, `announcement` what the mail says, `adapter` sends.
"""
