package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/words"
)

// missingPlan is the error of a saved plan that is not there. It leaves no run.
type missingPlan struct {
	error
	path string
	hint string // where nothing is beside it
}

func (e missingPlan) Unwrap() error { return e.error }

// Hint names the JSON file beside it that was probably meant.
func (e missingPlan) Hint() string {
	dir := filepath.Dir(e.path)
	beside, _ := os.ReadDir(dir)
	var names []string
	for _, file := range beside {
		if strings.EqualFold(filepath.Ext(file.Name()), ".json") && !file.IsDir() {
			names = append(names, file.Name())
		}
	}
	if near := words.Nearest(filepath.Base(e.path), names); near != "" {
		return "did you mean " + filepath.Join(dir, near) + "?"
	}
	return e.hint
}
