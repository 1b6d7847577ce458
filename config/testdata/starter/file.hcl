# The configuration of rollcall: where entries come from, which mail domains
# are synchronized, and what is left alone. docs/reference/configuration.md explains every
# block and attribute.
#
#   rollcall validate   reports every mistake
#   rollcall doctor     tests the connections
#   rollcall plan       shows what would change, and changes nothing

# An export, as ldapsearch writes it; kind = "csv" reads those of HR systems, Entra
# ID and Google Workspace (docs/howto/hr-export.md). The accounts in the state bear
# the name of their directory: choose it before the first apply.
directory "corp" {
  kind = "ldif"
  path = "corp.ldif" # relative to this file
}

# A server in its place. rollcall init --url asks it for the rest of this file.
# directory "corp" {
#   kind          = "active_directory" # or "ldap"
#   urls          = ["ldaps://dc1.corp.example.com", "ldaps://dc2.corp.example.com"] # tried in order
#   bind_dn       = "svc-rollcall@corp.example.com"
#   bind_password = env("ROLLCALL_PASSWORD")
#   ca_file       = "corp-ca.pem" # for a certificate authority of your own
# }

# Addresses in other domains than these are rejected, and each is reported. A domain
# that is another name of one of them goes into its block, as
# aliases = ["example.net"], and has none of its own.

domain "example.com" {
  # aliases = ["example.net"] # rewritten to example.com
}

# domain "gmail.com" {
#   public    = true
#   alias_for = ["example.com"] # whose accounts may have aliases here
# }

scope "everybody" {
  directory = directory.corp
  # base_dn = "OU=Staff,DC=corp,DC=example,DC=com" # default: everything
  # filter = "(|(objectClass=user)(objectClass=group))" # default: every entry that lists an address
  # disabled = "inactive" # default: disabled entries keep their accounts
}

# Addresses that no run takes away.
# protected "executives" {
#   addresses = ["ceo@example.com"]
#   reason    = "never to be lost"
# }

# Accounts that no run touches.
# legal_hold "case-1" {
#   addresses = lines(file("case-1.txt"))
#   reason    = "ordered by counsel"
#   until     = "2030-12-31"
# }

# The brake, for each directory; these are the defaults.
# limits {
#   deactivations         = 500
#   deactivations_percent = 10
# }

# state {
#   path = "rollcall.state.jsonl"
# }
