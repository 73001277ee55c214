"""Where the program begins: the commands, the configuration, the listeners, and what puts all parts together.

cli         the command line; `commands/` has one file for each
config/     a file and the environment -> settings
container   the graph of the parts, built once
  parts  outgoing              how each part is made of the settings; those that hold connections
  stock  breakers              which of them outlast a reload; how the dependencies do
serve       from start to the end of the drain
  listening  running           the sockets; a gateway that serves, by one configuration after the other
  reloading                    what is on disk comes in force
  workers  fleet               several processes; all of them as operators see them
  logs                         what is said on stdout besides the access lines
http/       the public listener and the operators'
sandbox/    everybody around the gateway, simulated
"""
