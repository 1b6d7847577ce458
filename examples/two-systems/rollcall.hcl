# People are created in corp. Mail works once the cloud has them, too: until then
# nobody gets an account.

directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}

directory "cloud" {
  kind = "ldif"
  path = "cloud.ldif"
}

domain "example.com" {}

# Every mailbox has a routing address in the cloud. It is nobody's address here, and
# still what both systems have in common where a primary has changed in one of them.
domain "*.onmicrosoft.com" {
  ignore = true
}

scope "staff" {
  directory      = directory.corp
  guid_attribute = "objectGUID"
}

prerequisite "in-the-cloud" {
  directory = directory.cloud
  filter    = "(accountEnabled=TRUE)"
  attribute = "proxyAddresses"
  match     = "address"
  scopes    = [scope.staff]
  overdue   = "24h"
}
