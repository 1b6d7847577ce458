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

# A service that raises an alarm when runs stop, and a warning in the plan.
heartbeat {
  ping        = file("${env("CREDENTIALS_DIRECTORY")}/ping-url")
  stale_after = "2h"
}

# Whoever decides about plans and keeps rollcall running.
notify "ops" {
  on     = ["plan_review", "incomplete", "withheld", "failed", "credentials_expire", "drift"]
  repeat = "24h"
  mail {
    server   = "smtp.example.com:587"
    from     = "rollcall@example.com"
    to       = ["it@example.com"]
    username = "rollcall"
    password = file("${env("CREDENTIALS_DIRECTORY")}/smtp-password")
  }
}

# Whoever keeps the directory.
notify "directory" {
  on = ["new_rejections", "overdue"]
  mail {
    server   = "smtp.example.com:587"
    from     = "rollcall@example.com"
    to       = ["hr@example.com"]
    username = "rollcall"
    password = file("${env("CREDENTIALS_DIRECTORY")}/smtp-password")
  }
}

state {
  path = "/var/lib/rollcall/rollcall.state.jsonl"
}
