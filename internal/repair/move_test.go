package repair

import "testing"

// TestMove spells a move in both forms; the server tests are those of explain.
func TestMove(t *testing.T) {
	for _, tt := range []struct {
		move             Move
		powershell, ldif string
	}{
		{
			Move{DN: `CN=Fred\, F.,OU=Former,DC=example`, GUID: "8c4ac332-975f-4717-ad7b-ba4a4e968fff", Name: `CN=Fred\, F.`, To: "OU=Staff,DC=example"},
			"Move-ADObject -Identity '8c4ac332-975f-4717-ad7b-ba4a4e968fff' -TargetPath 'OU=Staff,DC=example'",
			"dn: CN=Fred\\, F.,OU=Former,DC=example\nchangetype: modrdn\nnewrdn: CN=Fred\\, F.\ndeleteoldrdn: 1\nnewsuperior: OU=Staff,DC=example\n\n",
		},
		{
			Move{DN: "CN=Zoë , OU=O’Neil", Name: "CN=Zoë", To: "OU=O’Neil2"},
			"Move-ADObject -Identity ('CN=Zo' + [char]0xEB + ' , OU=O' + [char]0x2019 + 'Neil') -TargetPath ('OU=O' + [char]0x2019 + 'Neil2')",
			"dn:: Q049Wm/DqyAsIE9VPU/igJlOZWls\nchangetype: modrdn\nnewrdn:: Q049Wm/Dqw==\ndeleteoldrdn: 1\nnewsuperior:: T1U9T+KAmU5laWwy\n\n",
		},
		{Move{DN: "CN=\xff,DC=x", Name: "CN=\xff", To: "DC=y"}, "", "dn:: Q049/yxEQz14\nchangetype: modrdn\nnewrdn:: Q049/w==\ndeleteoldrdn: 1\nnewsuperior: DC=y\n\n"},
	} {
		if got := tt.move.PowerShell(); got != tt.powershell {
			t.Errorf("%+v: %s", tt.move, got)
		}
		if got := tt.move.LDIF(); got != tt.ldif {
			t.Errorf("%+v: %s", tt.move, got)
		}
	}
}
