"""The public listener, and the one that edge proxies ask.

app  proxy         what is ours to serve, and what the gateway passes on
fast_path          plain requests under a flow that holds, read by plain_requests
decisions          the decision API
validation         a request's target, declared length and body
served_request     however a request ends: one response, one event
problems           every refusal as a response
server/            our HTTP/1.1 server
"""
