# The recipients and aliases of a Postfix gateway. README.md walks through it:
#
#   rollcall -C examples/postfix plan
#
# The comments in corp.ldif say what the plan makes of each entry.

directory "corp" {
  kind = "ldif" # an export of Active Directory
  path = "corp.ldif"
}

domain "example.com" {
}

scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,DC=corp,DC=example,DC=com"
}

console "relay" {
  kind       = "postfix"
  owner      = "hq"                # stands in the first line of both files
  recipients = "tables/recipients" # relay_recipient_maps
  aliases    = "tables/aliases"    # virtual_alias_maps

  # So the example needs no Postfix. On a gateway, leave both out: tables are of type
  # lmdb then, which Postfix reads without a reload.
  map    = "texthash"
  reload = ["true"]

  test = true # rollcall console test may change it
}
