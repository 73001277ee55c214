"""The world around the gateway, simulated: personal, wind, talaria-services and the callers' token issuer.

Real HTTP servers on loopback, each exactly as its contract says, each with scripted persons and faults, each
remembering what it was asked. Tests and `talaria sandbox` start the same world (`world.py`).
"""
