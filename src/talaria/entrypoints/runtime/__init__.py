"""From start to the end of the drain.

process  supervisor          one process; several
gateway_server  reload       a gateway that serves, by one configuration after the other
container                    the graph of the parts, built once
  factories  upstream_factories    how each part is made of the settings
  resources  health          what outlasts a reload; the state of each dependency
logging                      lines other than the access lines
"""
