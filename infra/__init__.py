"""How the project is deployed, run on a laptop and looked after."""
