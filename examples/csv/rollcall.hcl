# People from the export of an HR system, and accounts in the state file. README.md
# says how other exports are read.

directory "hr" {
  kind = "csv"
  path = "hr.csv"
  id   = ["Employee ID"] # its DN is EmployeeID=4711
}

domain "example.com" {}

scope "staff" {
  directory          = directory.hr
  filter             = "(Status=active)"
  guid_attribute     = "Employee ID" # what never changes
  primary_attribute  = "Work E-Mail"
  alias_attributes   = ["Other E-Mails"]
  username_attribute = "Login"
  attributes         = { display_name = "Full Name", department = "Department" }
}
