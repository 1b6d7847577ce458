package config

import (
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Directory is a source of entries.
type Directory struct {
	Name string
	// Kind is the name of one of those that [Load] was given.
	Kind string
	// Settings are those of the kind.
	Settings settings.Values

	where []string // of the kind
}

// SameSource reports whether two directories, of configurations that may be at
// different places, are read from the same place: the same kind, and the same
// servers, or files by the same paths as they are written. Who logs in, and how,
// does not count.
func (d *Directory) SameSource(other *Directory) bool {
	return d.Kind == other.Kind && slices.Equal(d.where, other.where)
}

func (d *decoder) readDirectories(blocks []*block) {
	seen := map[string]string{}
	for _, b := range blocks {
		d.fileLabel(b, seen)
		dir := Directory{Name: b.label}
		if k := b.kind(d.kinds.Directories); k != nil {
			dir.Kind = k.Name
			dir.Settings, dir.where = b.settings(k, d.config.Dir)
		}
		d.config.Rules.Directories = append(d.config.Rules.Directories, b.label)
		d.config.Directories = append(d.config.Directories, dir)
	}
}

// prerequisiteFile ends the names of the files in which snapshots keep what
// prerequisites read.
const prerequisiteFile = ".prerequisite"

// SnapshotName is what a snapshot calls its file of the prerequisite, without the
// extension. No directory bears such a label.
func (p *Prerequisite) SnapshotName() string { return p.Name + prerequisiteFile }

// fileLabel checks that a label can name a file, for snapshots do, on systems too
// where letter case does not count in names of files. It remembers those seen.
func (d *decoder) fileLabel(b *block, seen map[string]string) {
	odd := func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}
	folded := strings.ToLower(b.label)
	if strings.ContainsFunc(b.label, odd) || strings.HasPrefix(b.label, ".") || strings.HasSuffix(b.label, ".") || len(b.label) > 64 {
		d.errorf(b.labelRange(), "use at most 64 letters a to z, digits, hyphens, underscores and inner dots", "the label %q cannot name the %s's snapshot file", b.label, b.Type)
	} else if b.Type == directoryBlock && strings.HasSuffix(folded, prerequisiteFile) {
		d.errorf(b.labelRange(), "give it another name", "the label %q names the snapshot file of a prerequisite", b.label)
	}
	if first, ok := seen[folded]; ok && first != b.label {
		d.errorf(b.labelRange(), "give it another name", "%s differs from %s %q in letter case alone", b.named(), b.Type, first)
	} else {
		seen[folded] = b.label
	}
}
