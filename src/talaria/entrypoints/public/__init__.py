"""The public listener.

app  proxy         what is ours to serve, and what the gateway passes on
validation         a request's target, declared length and body
problems           every refusal as a response
server/            our HTTP/1.1 server
"""
