package postfix

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is the kind "postfix".
var Kind = console.Kind{
	Kind: settings.Kind{
		Name: "postfix", Help: "The recipients and aliases of a Postfix gateway, as lookup tables; Exim reads the same files.", Files: true,
		Settings: []settings.Setting{
			{Name: "recipients", Type: settings.Path, Required: true, Example: `"/etc/postfix/rollcall/recipients"`, Help: "the source of relay_recipient_maps, in a folder that may be written"},
			{Name: "aliases", Type: settings.Path, Example: `"/etc/postfix/rollcall/aliases"`, Help: "the source of virtual_alias_maps; without it aliases stand among the recipients"},
			{Name: "map", Words: []string{"lmdb", "hash", "cdb", "btree", texthash}, Default: "lmdb", Example: `"lmdb"`, Help: "the type of both tables"},
			{Name: "postmap", Type: settings.Texts, Default: []string{"postmap"}, Example: `["postmap"]`, Help: "the program that builds an index, and its arguments before TYPE:FILE"},
			{Name: "reload", Type: settings.Texts, Example: `["postfix", "reload"]`, Help: "what has Postfix read its tables again; for texthash this is the default"},
		},
		Check: check,
		Where: func(v settings.Values) []string {
			return []string{v.Path("recipients"), v.Path("aliases"), v.Text("map")}
		},
	},
	Survey: survey,
	Open: func(ctx context.Context, o console.Opening) (console.Target, error) {
		c := newConsole(o)
		if err := c.open(ctx); err != nil {
			return nil, err
		}
		return c, nil
	},
}

func check(v settings.Values) (all []settings.Problem) {
	r, a := v.Path("recipients"), v.Path("aliases")
	if r != "" && r == a {
		all = append(all, settings.Problem{Setting: "aliases", Summary: "the aliases are in the file of the recipients", Hint: "name another file, or remove the setting: aliases then stand among the recipients"})
	}
	for _, f := range []struct{ setting, path string }{{"recipients", r}, {"aliases", a}} {
		for _, ending := range []string{".lmdb", ".db", ".cdb"} {
			if strings.EqualFold(filepath.Ext(f.path), ending) {
				all = append(all, settings.Problem{Setting: f.setting, Summary: "that is the name of an index, which postmap makes of a text file", Hint: "leave out the ending " + ending})
			}
		}
	}
	for _, name := range []string{"postmap", "reload"} {
		if command := v.Texts(name); len(command) > 0 && strings.TrimSpace(command[0]) == "" {
			all = append(all, settings.Problem{Setting: name, Summary: "the command names no program", Hint: `write the program and its arguments, as in ["postmap", "-c", "/etc/postfix-out"]`})
		}
	}
	return all
}
