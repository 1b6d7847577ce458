# The mailboxes of a mail server with PostfixAdmin. README.md says how it is connected,
# step by step.

console "mailserver" {
  kind    = "sql"
  owner   = "hq"                # accounts that are marked with another owner are left alone
  url     = env("DATABASE_URL") # postgres://rollcall:PASSWORD@HOST/postfixadmin, or mysql://…
  profile = "postfixadmin"
  initial = { quota = "1073741824" } # of new mailboxes: a GiB
}

directory "corp" {
  kind = "ldif" # an export of Active Directory
  path = "corp.ldif"
}

domain "example.com" {}

scope "staff" {
  directory  = directory.corp
  base_dn    = "OU=Staff,DC=corp,DC=example,DC=com"
  attributes = { department = "department" }
}
