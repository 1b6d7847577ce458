# People, lists and contacts of Microsoft 365. README.md says how to connect a tenant:
#
#   rollcall -C examples/graph plan

directory "cloud" {
  kind    = "exec"
  command = ["python3", "graph.py"]
  timeout = "120s"

  config = {
    tenant    = env("GRAPH_TENANT")
    client_id = env("GRAPH_CLIENT_ID")
    secret    = env("GRAPH_SECRET")

    shared_mailboxes = true # their users are disabled, and they stay
  }
}

domain "example.com" {
}

domain "*.onmicrosoft.com" {
  ignore = true # each mailbox has an address there, for routing
}

scope "cloud" {
  directory          = directory.cloud
  filter             = "(&(|(objectClass=user)(objectClass=group))(!(userType=Guest)))"
  username_attribute = "userPrincipalName"
  disabled           = "inactive"

  attributes = {
    department = "department"
    title      = "title"
  }
}
