// Package config turns the HCL files of one directory into a checked, typed
// [Config], or into a list of everything that is wrong with them.
//
// # How a configuration is read
//
//	files.go       the *.hcl files of the directory, parsed; a syntax error in
//	               any of them ends the run here, with those of all files
//	mask.go        where the files spell secrets, so that no message shows them
//	names.go       the blocks and attributes that exist; everything else is
//	               misspelt
//	eval.go        expressions, locals and functions become values
//	kinds.go       what a kind of directory or console takes, by its settings
//	directories.go, domains.go, scopes.go, console.go, guards.go, settings.go
//	               blocks become the types of this package and of plan
//
// The decoders do not stop at a problem. Each reports it at the place in the
// source that is to be changed and goes on with what is still known, so that
// one run reports everything. A value that could not be found out was reported
// where it failed; whoever needs it says nothing more.
//
// # References
//
// directory.corp is a name and no value: it is resolved from the source, which
// is how a wrong step can be underlined and the right one suggested. Everything
// else is evaluated.
//
// # Secrets
//
// What env and file return is marked, and the mark stays on whatever is made of
// it. No marked value is shown in a diagnostic. What a kind takes as a secret ends
// in a [settings.Secret], which does not print; a literal that is assigned to a
// name that looks like one of a password, or that is a URL with a user in it,
// commented out or not, is masked wherever its source line is shown.
package config
