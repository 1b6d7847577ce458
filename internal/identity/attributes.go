package identity

import "strings"

// attributeNames are attribute types that have several names: the one by which
// they are known here, in lower case, and the others, with the OIDs (RFC 4512
// section 2.5). They are those of RFC 4519, RFC 4524, RFC 2798 and RFC 4530, as
// OpenLDAP and 389 Directory Server have them, and those of Active Directory
// and Exchange that filters ask for (MS-ADA1 to MS-ADA3).
//
// streetAddress is another name of street in RFC 4519, and an attribute of its
// own in Active Directory; it is none here.
var attributeNames = [][]string{
	{"objectclass", "2.5.4.0"},
	{"cn", "commonname", "2.5.4.3"},
	{"sn", "surname", "2.5.4.4"},
	{"serialnumber", "2.5.4.5"},
	{"c", "countryname", "2.5.4.6"},
	{"l", "localityname", "2.5.4.7"},
	{"st", "stateorprovincename", "2.5.4.8"},
	{"street", "2.5.4.9"},
	{"o", "organizationname", "2.5.4.10"},
	{"ou", "organizationalunitname", "2.5.4.11"},
	{"title", "2.5.4.12"},
	{"description", "2.5.4.13"},
	{"businesscategory", "2.5.4.15"},
	{"postaladdress", "2.5.4.16"},
	{"postalcode", "2.5.4.17"},
	{"postofficebox", "2.5.4.18"},
	{"physicaldeliveryofficename", "2.5.4.19"},
	{"telephonenumber", "2.5.4.20"},
	{"facsimiletelephonenumber", "fax", "2.5.4.23"},
	{"member", "2.5.4.31"},
	{"owner", "2.5.4.32"},
	{"roleoccupant", "2.5.4.33"},
	{"seealso", "2.5.4.34"},
	{"userpassword", "2.5.4.35"},
	{"usercertificate", "2.5.4.36"},
	{"name", "2.5.4.41", "1.2.840.113556.1.4.1"},
	{"givenname", "gn", "2.5.4.42"},
	{"initials", "2.5.4.43"},
	{"generationqualifier", "2.5.4.44"},
	{"distinguishedname", "2.5.4.49"},
	{"uniquemember", "2.5.4.50"},
	{"createtimestamp", "2.5.18.1"},
	{"modifytimestamp", "2.5.18.2"},
	{"creatorsname", "2.5.18.3"},
	{"modifiersname", "2.5.18.4"},
	{"subschemasubentry", "2.5.18.10"},
	{"structuralobjectclass", "2.5.21.9"},
	{"entryuuid", "1.3.6.1.1.16.4"},
	{"entrydn", "1.3.6.1.1.20"},

	{"uid", "userid", "0.9.2342.19200300.100.1.1"},
	{"mail", "rfc822mailbox", "0.9.2342.19200300.100.1.3"},
	{"info", "0.9.2342.19200300.100.1.4", "1.2.840.113556.1.2.81"},
	{"drink", "favouritedrink", "0.9.2342.19200300.100.1.5"},
	{"roomnumber", "0.9.2342.19200300.100.1.6"},
	{"userclass", "0.9.2342.19200300.100.1.8"},
	{"host", "0.9.2342.19200300.100.1.9"},
	{"manager", "0.9.2342.19200300.100.1.10"},
	{"homephone", "hometelephonenumber", "0.9.2342.19200300.100.1.20"},
	{"secretary", "0.9.2342.19200300.100.1.21"},
	{"othermailbox", "0.9.2342.19200300.100.1.22", "1.2.840.113556.1.4.651"},
	{"dc", "domaincomponent", "0.9.2342.19200300.100.1.25"},
	{"associateddomain", "0.9.2342.19200300.100.1.37"},
	{"personaltitle", "0.9.2342.19200300.100.1.40"},
	{"mobile", "mobiletelephonenumber", "0.9.2342.19200300.100.1.41"},
	{"pager", "pagertelephonenumber", "0.9.2342.19200300.100.1.42"},
	{"co", "friendlycountryname", "0.9.2342.19200300.100.1.43", "1.2.840.113556.1.2.131"},
	{"uniqueidentifier", "0.9.2342.19200300.100.1.44"},
	{"organizationalstatus", "0.9.2342.19200300.100.1.45"},
	{"buildingname", "0.9.2342.19200300.100.1.48"},
	{"jpegphoto", "0.9.2342.19200300.100.1.60"},
	{"emailaddress", "email", "e", "pkcs9email", "1.2.840.113549.1.9.1"},

	{"carlicense", "2.16.840.1.113730.3.1.1"},
	{"departmentnumber", "2.16.840.1.113730.3.1.2"},
	{"employeenumber", "2.16.840.1.113730.3.1.3", "1.2.840.113556.1.2.610"},
	{"employeetype", "2.16.840.1.113730.3.1.4", "1.2.840.113556.1.2.613"},
	{"preferredlanguage", "2.16.840.1.113730.3.1.39"},
	{"usersmimecertificate", "2.16.840.1.113730.3.1.40"},
	{"displayname", "2.16.840.1.113730.3.1.241", "1.2.840.113556.1.2.13"},
	{"maillocaladdress", "2.16.840.1.113730.3.1.13"},
	{"mailhost", "2.16.840.1.113730.3.1.18"},
	{"mailroutingaddress", "2.16.840.1.113730.3.1.47"},

	{"whencreated", "1.2.840.113556.1.2.2"},
	{"whenchanged", "1.2.840.113556.1.2.3"},
	{"usncreated", "1.2.840.113556.1.2.19"},
	{"isdeleted", "1.2.840.113556.1.2.48"},
	{"memberof", "1.2.840.113556.1.2.102"},
	{"usnchanged", "1.2.840.113556.1.2.120"},
	{"department", "1.2.840.113556.1.2.141"},
	{"company", "1.2.840.113556.1.2.146"},
	{"proxyaddresses", "1.2.840.113556.1.2.210"},
	{"streetaddress", "1.2.840.113556.1.2.256"},
	{"targetaddress", "1.2.840.113556.1.2.352"},
	{"mailnickname", "1.2.840.113556.1.2.447"},
	{"objectguid", "1.2.840.113556.1.4.2"},
	{"useraccountcontrol", "1.2.840.113556.1.4.8"},
	{"employeeid", "1.2.840.113556.1.4.35"},
	{"pwdlastset", "1.2.840.113556.1.4.96"},
	{"primarygroupid", "1.2.840.113556.1.4.98"},
	{"objectsid", "1.2.840.113556.1.4.146"},
	{"accountexpires", "1.2.840.113556.1.4.159"},
	{"samaccountname", "1.2.840.113556.1.4.221"},
	{"samaccounttype", "1.2.840.113556.1.4.302"},
	{"managedby", "1.2.840.113556.1.4.653"},
	{"legacyexchangedn", "1.2.840.113556.1.4.655"},
	{"userprincipalname", "1.2.840.113556.1.4.656"},
	{"grouptype", "1.2.840.113556.1.4.750"},
	{"objectcategory", "1.2.840.113556.1.4.782"},
	{"iscriticalsystemobject", "1.2.840.113556.1.4.868"},
	{"ms-ds-consistencyguid", "1.2.840.113556.1.4.1360"},
	{"lastlogontimestamp", "1.2.840.113556.1.4.1696"},
}

// otherNames leads from each other name to the one by which the attribute is
// known. maybeOther has, by the length of such a name, a bit for its first octet,
// so that a name which is none seldom needs a look.
var otherNames, maybeOther = func() (names map[string]string, first [maxOtherName + 1]uint64) {
	names = map[string]string{}
	for _, row := range attributeNames {
		for _, other := range row[1:] {
			names[other] = row[0]
			first[len(other)] |= 1 << (other[0] & 63)
		}
	}
	return names, first
}()

// maxOtherName is the length of the longest other name in octets.
const maxOtherName = 26

// AttributeName returns the name by which an attribute is known here, in lower
// case, of any of its names, which are without options: "sn" of "SN", "surname",
// "2.5.4.4" and "OID.2.5.4.4" (RFC 2253 section 4). A name of which nothing is
// known stands for itself.
func AttributeName(name string) string {
	name = strings.ToLower(name)
	if oid, ok := strings.CutPrefix(name, "oid."); ok {
		name = oid
	}
	if name == "" || len(name) > maxOtherName || maybeOther[len(name)]&(1<<(name[0]&63)) == 0 {
		return name
	}
	if known, ok := otherNames[name]; ok {
		return known
	}
	return name
}

// OtherNames returns the names, in lower case, under which an attribute may be
// met beside the one by which it is known.
func OtherNames(name string) []string {
	for _, row := range attributeNames {
		if row[0] == name {
			return row[1:]
		}
	}
	return nil
}

// PlainType reports whether an attribute type is certainly the name by which it
// is known, in whatever letter case.
func PlainType[T string | []byte](name T) bool {
	n := len(name)
	if n == 0 || n > 3 && name[3] == '.' {
		return false
	}
	c := name[0]
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return n > maxOtherName || maybeOther[n]&(1<<(c&63)) == 0
}
