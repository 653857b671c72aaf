-- Prosody: add this to the end of prosody.cfg.lua, then `prosodyctl restart`.
-- It listens for components on 127.0.0.1, port 5347; another place is set above the first VirtualHost:
--   component_ports = { 5347 }
--   component_interfaces = { "127.0.0.1" }

Component "irc.example.org"
    component_secret = "the secret of xmppbridge.toml"
