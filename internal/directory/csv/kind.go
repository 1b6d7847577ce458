package csv

import (
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind are the CSV files of a path, or of patterns of paths.
var Kind = directory.Kind{
	Kind: settings.Kind{
		Name: "csv", Files: true, Attribute: AttributeName,
		Settings: []settings.Setting{
			files.Path(`"export.csv"`),
			{Name: "id", Type: settings.Texts, Check: checkColumn, Example: `["EmployeeID"]`, Help: "the columns that the DN is made from"},
			{Name: "separator", Default: ";", Example: `";"`, Help: "what separates the values of a cell"},
			{Name: "encoding", Words: codePageNames(), Check: checkEncoding, Example: `"windows-1252"`, Help: "the code page of files that are neither UTF-8 nor UTF-16"},
		},
		Where: func(v settings.Values) []string {
			o := OptionsOf(v)
			return append(files.Where(v), fmt.Sprintf("id=%q separator=%q encoding=%q", o.ID, o.Separator, o.Encoding))
		},
	},
	Keys: true,
	Open: func(o directory.Opening) (directory.Source, error) {
		v := o.Settings
		return New(v.Label(), files.Patterns(v), OptionsOf(v)), nil
	},
}

// OptionsOf returns what the settings of the kind say.
func OptionsOf(v settings.Values) Options {
	return Options{ID: v.Texts("id"), Separator: v.Text("separator"), Encoding: v.Text("encoding")}
}

func checkEncoding(name string) (p settings.Problem) {
	if strings.HasPrefix(strings.ToLower(name), "utf") {
		return settings.Problem{Summary: "%s is no code page", Hint: "remove the attribute: UTF-8 and UTF-16 are recognized"}
	}
	return p
}

func checkColumn(name string) (p settings.Problem) {
	if AttributeName(name) == "" {
		return settings.Problem{Summary: "%s names no column", Hint: `write the name of a column, as in "EmployeeID"; only letters a to z, digits, hyphens, underscores and dots count in it`}
	}
	return p
}
