# The users of a service that takes them by SCIM 2.0. README.md says how to connect it:
#
#   rollcall -C examples/scim plan

directory "corp" {
  kind = "ldif" # an export of Active Directory
  path = "corp.ldif"
}

domain "example.com" {
}

scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,DC=corp,DC=example,DC=com"
  adopt     = true # accounts of the service that nobody owns yet

  # By these names the service stores them, see docs/reference/scim.md.
  attributes = {
    given_name  = "givenName"
    family_name = "sn"
    title       = "title"
    department  = "department"
  }
}

console "saas" {
  kind  = "scim"
  owner = "hq" # accounts that are marked with another owner are left alone
  url   = env("SCIM_URL")
  token = env("SCIM_TOKEN")
  rate  = 20 # account changes a second, as the service allows
}
