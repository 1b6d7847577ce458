# People and lists of Google Workspace. README.md says how to connect an organization:
#
#   rollcall -C examples/google plan

directory "workspace" {
  kind    = "exec"
  command = ["python3", "google.py"]
  timeout = "120s"

  config = {
    key_file = env("GOOGLE_KEY_FILE")
    subject  = env("GOOGLE_SUBJECT")
  }
}

domain "example.com" {
}

domain "*.test-google-a.com" {
  ignore = true # Google adds an address there to each mailbox
}

scope "workspace" {
  directory          = directory.workspace
  guid_attribute     = "id"
  username_attribute = "userPrincipalName"
  disabled           = "inactive" # suspended and archived users

  attributes = {
    department = "department"
    org_unit   = "orgUnitPath"
  }
}
