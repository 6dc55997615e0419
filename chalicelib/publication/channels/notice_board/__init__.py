"""The notice board: sheets to print, and screens that play a list of slides (clauses 4.3.1-4.3.4).

`board.py` says what hangs when, `sheet.py` what is on it, `screens.py` writes what screens play, `adapter.py` is the
channel.
"""
