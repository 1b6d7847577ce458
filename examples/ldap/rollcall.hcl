# The recipients of a mail gateway as a tree on an LDAP server, which Postfix asks.
# README.md says how it is connected, step by step.

console "tree" {
  kind          = "ldap"
  owner         = "hq"
  urls          = ["ldaps://ldap.example.com"]
  ca_file       = "ca.pem" # of the authority that has certified the server
  bind_dn       = "cn=rollcall,dc=example,dc=com"
  bind_password = env("TREE_PASSWORD")
  base_dn       = "ou=recipients,dc=example,dc=com"
  attributes    = { display_name = "displayName", department = "departmentNumber" }
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
