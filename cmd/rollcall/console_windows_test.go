package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// seated is rollcall on the console that it has, whatever its streams are, with the code
// page of a Windows in Western Europe.
const seated = "rollcall-seated"

func init() {
	programs[seated] = func() {
		for name, stream := range map[string]**os.File{"CONIN$": &os.Stdin, "CONOUT$": &os.Stdout} {
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				fmt.Println(err)
				os.Exit(99)
			}
			*stream = f
		}
		os.Stderr = os.Stdout
		if windows.SetConsoleCP(850) != nil || windows.SetConsoleOutputCP(850) != nil {
			os.Exit(99)
		}
		main()
	}
}

// pseudoConsole is a console without a window, as terminals use it.
type pseudoConsole struct {
	console windows.Handle
	keys    *os.File
	mu      sync.Mutex
	shown   bytes.Buffer
	process windows.ProcessInformation
}

// onConsole starts rollcall on a console of its own.
func onConsole(t *testing.T, args ...string) *pseudoConsole {
	t.Helper()
	program, err := exec.LookPath(seated)
	if err != nil {
		t.Fatal(err)
	}
	s := &pseudoConsole{}
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	shown, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.keys = keys
	if err := windows.CreatePseudoConsole(windows.Coord{X: 150, Y: 100}, windows.Handle(in.Fd()), windows.Handle(out.Fd()), 0, &s.console); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := shown.Read(buf)
			s.mu.Lock()
			s.shown.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	list, err := windows.NewProcThreadAttributeList(1)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Delete()
	if err := list.Update(windows.PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, *(*unsafe.Pointer)(unsafe.Pointer(&s.console)), unsafe.Sizeof(s.console)); err != nil {
		t.Fatal(err)
	}
	start := windows.StartupInfoEx{ProcThreadAttributeList: list.List()}
	start.Cb = uint32(unsafe.Sizeof(start))
	line, err := windows.UTF16PtrFromString(windows.ComposeCommandLine(append([]string{program}, args...)))
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.CreateProcess(nil, line, nil, nil, false, windows.EXTENDED_STARTUPINFO_PRESENT, nil, nil, &start.StartupInfo, &s.process); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		windows.TerminateProcess(s.process.Process, 1)
		windows.CloseHandle(s.process.Process)
		windows.CloseHandle(s.process.Thread)
		windows.ClosePseudoConsole(s.console)
		keys.Close()
	})
	return s
}

// text is what the console has shown.
func (s *pseudoConsole) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// waitFor waits until the console shows a text.
func (s *pseudoConsole) waitFor(t *testing.T, text string) {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); !strings.Contains(s.text(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("no %q on the console:\n%q", text, s.text())
		}
	}
}

// end waits until the program has ended, and returns its exit code.
func (s *pseudoConsole) end(t *testing.T) (code uint32) {
	t.Helper()
	if event, err := windows.WaitForSingleObject(s.process.Process, 30_000); event != windows.WAIT_OBJECT_0 {
		t.Fatalf("the program does not end: %v\n%q", err, s.text())
	}
	if err := windows.GetExitCodeProcess(s.process.Process, &code); err != nil {
		t.Fatal(err)
	}
	return code
}

// umlauts is a configuration with people whose names are not ASCII.
func umlauts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rollcall.hcl": "directory \"corp\" {\n kind = \"ldif\"\n path = \"Größe.ldif\"\n}\ndomain \"example.com\" {}\nscope \"all\" {\n directory = directory.corp\n}\n",
		"Größe.ldif":   "dn: cn=Jürgen Größe,dc=corp\nobjectGUID: 00000001-1111-4222-8333-000000000001\nmail: jg@example.com\ndisplayName: Jürgen Größe\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestWindowsCodePage: a console shows umlauts whatever its code page is, and what goes to a
// file or a pipe is UTF-8.
func TestWindowsCodePage(t *testing.T) {
	dir := umlauts(t)
	s := onConsole(t, "-C", dir, "plan")
	if code := s.end(t); code != 0 {
		t.Fatalf("exit %d\n%q", code, s.text())
	}
	s.waitFor(t, "Jürgen Größe")
	s.waitFor(t, "\x1b[") // which are colours
	out, err := exec.Command(program(t), "-C", dir, "plan", "-o", "text", "-o", "csv="+filepath.Join(dir, "Übersicht.csv")).Output()
	if err != nil || !strings.Contains(string(out), "Jürgen Größe") || strings.Contains(string(out), "\r") {
		t.Errorf("a pipe gets %q, %v", out, err)
	}
	if csv, err := os.ReadFile(filepath.Join(dir, "Übersicht.csv")); err != nil || !strings.Contains(string(csv), "Jürgen Größe") {
		t.Errorf("the file has %q, %v", csv, err)
	}
}

// TestWindowsAsked: apply asks on a console, and takes the answer.
func TestWindowsAsked(t *testing.T) {
	for answer, want := range map[string]uint32{"no": uint32(exitDeclined), "yes": uint32(exitOK)} {
		s := onConsole(t, "-C", umlauts(t), "apply")
		s.waitFor(t, "Type yes to apply:")
		if _, err := io.WriteString(s.keys, answer+"\r"); err != nil {
			t.Fatal(err)
		}
		if code := s.end(t); code != want {
			t.Errorf("%s: exit %d\n%q", answer, code, s.text())
		}
	}
}

// TestWindowsInterrupted: Ctrl-C on a console ends apply, and nothing is changed.
func TestWindowsInterrupted(t *testing.T) {
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("Wine ends a program at Ctrl-C and does not tell it")
	}
	dir := umlauts(t)
	s := onConsole(t, "-C", dir, "apply")
	s.waitFor(t, "Type yes to apply:")
	if _, err := io.WriteString(s.keys, "\x03"); err != nil {
		t.Fatal(err)
	}
	if code := s.end(t); code != uint32(exitInterrupted) {
		t.Errorf("exit %d\n%q", code, s.text())
	}
	if _, err := os.Stat(filepath.Join(dir, "rollcall.state.jsonl")); err == nil {
		t.Error("the state was written")
	}
}
