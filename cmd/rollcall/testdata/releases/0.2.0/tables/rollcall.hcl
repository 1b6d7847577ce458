# Two directories, two scopes, and an account list with some history. Run it:
#
#   rollcall -C examples/quickstart plan
#   rollcall -C examples/quickstart apply
#
# The comments in corp.ldif and lab.ldif say what the plan makes of each entry.

directory "corp" {
  kind = "ldif" # an export of Active Directory
  path = "corp.ldif"
}

directory "lab" {
  kind = "ldif" # an export of OpenLDAP
  path = "lab.ldif"
}

domain "example.com" {
  aliases = ["example.net"] # ann@example.net is ann@example.com
}

domain "example.org" {
}

domain "gmail.com" {
  public    = true # nobody's primary
  alias_for = ["example.com"]
}

domain "*.onmicrosoft.com" {
  ignore = true # routing addresses, which every mailbox of a tenant has
}

scope "staff" {
  directory  = directory.corp
  base_dn    = "OU=Staff,DC=corp,DC=example,DC=com"
  filter     = "(|(objectClass=user)(objectClass=group))"
  domains    = ["example.com"]
  attributes = { department = "department" }
  max_length = { display_name = 64 } # what the mail filter takes
}

scope "researchers" {
  directory          = directory.lab
  base_dn            = "ou=people,dc=lab,dc=example,dc=org"
  domains            = ["example.com", "example.org"]
  alias_attributes   = ["mailAlternateAddress"]
  username_attribute = "uid"
  on_guid_change     = "rebind" # objects are often made anew there
}

protected "executives" {
  addresses = ["ceo@example.com", "board@example.com", "ir@example.com"]
  reason    = "board request 2026-03"
}

legal_hold "case-2026-017" {
  addresses = lines(file("case-2026-017.txt"))
  reason    = "Contoso v. Example"
}

console "gateway" {
  kind       = "postfix"
  owner      = "hq"
  recipients = "recipients"
  aliases    = "aliases"
  map        = "texthash"
  reload     = ["true"]
}
