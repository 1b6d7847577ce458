# The configuration for rollcall from cron or systemd, as /etc/rollcall/corp.hcl.
# systemd puts the password into the folder that CREDENTIALS_DIRECTORY names, and
# rollcall-cron sets that variable as well.
directory "corp" {
  kind          = "active_directory"
  urls          = ["ldaps://dc1.corp.example.com", "ldaps://dc2.corp.example.com"]
  bind_dn       = "svc-rollcall@corp.example.com"
  bind_password = file("${env("CREDENTIALS_DIRECTORY")}/corp-password")
}

domain "example.com" {
}

scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,DC=corp,DC=example,DC=com"
}

state {
  path = "/var/lib/rollcall/rollcall.state.jsonl"
}
