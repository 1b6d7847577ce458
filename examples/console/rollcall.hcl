# Accounts that live in a CSV file, behind a connector. README.md walks through it:
#
#   rollcall -C examples/console plan
#
# The comments in corp.ldif say what the plan makes of each entry.

directory "corp" {
  kind = "ldif" # an export of Active Directory
  path = "corp.ldif"
}

domain "example.com" {
}

scope "staff" {
  directory  = directory.corp
  base_dn    = "OU=Staff,DC=corp,DC=example,DC=com"
  attributes = { department = "department" }
}

console "mailboxes" {
  kind    = "exec"
  owner   = "hq" # accounts that are marked with another owner are left alone
  command = ["python3", "connector.py"]
  config  = { file = "accounts.csv" }
  test    = true # rollcall console test may change it
}
