package servertest

import (
	"os"
	"path/filepath"
)

// nodeModules returns the folder of the modules from npm that "make prepare"
// installs under a name, among which must be that module.
func nodeModules(t T, name, module string) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			modules := filepath.Join(dir, ".tools", name, "node_modules")
			if _, err := os.Stat(filepath.Join(modules, module)); err == nil {
				return modules
			}
			break
		}
	}
	unavailable(t, module+" is not installed: make prepare")
	return ""
}
