# Where all of you find the state. The copy beside this file is not for git.
state {
  postgres {
    url  = env("ROLLCALL_STATE_URL")
    name = "corp"
  }
}
