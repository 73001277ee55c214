"""The systems round the gateway, simulated: personal, wind, talaria-services and the callers' token issuer.

Real HTTP servers on loopback, each exactly as its contract says, each with scripted persons and faults and a log of the
requests that it got. Tests and `talaria sandbox` start the same stack (`stack.py`).
"""
