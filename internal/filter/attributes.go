package filter

// nameAttributes hold distinguished names, by RFC 4519 and the schemas of
// Active Directory, Exchange, OpenLDAP and 389 Directory Server.
var nameAttributes = set(
	"altrecipient", "altrecipientbl", "authorig", "authorigbl", "creatorsname", "directreports", "distinguishedname", "dlmemrejectperms",
	"dlmemsubmitperms", "entrydn", "homemdb", "homemta", "lastknownparent", "managedby", "managedobjects", "manager", "member", "memberof",
	"modifiersname", "msexchbypassmoderationlink", "msexchcomanagedbylink", "msexchdelegatelistlink", "msexchmoderatedbylink",
	"nsroledn", "objectcategory", "owner", "publicdelegates", "publicdelegatesbl", "roleoccupant", "secretary", "seealso",
	"subschemasubentry", "unauthorig", "uniquemember",
)

// octetAttributes hold octets, even where these happen to be text.
var octetAttributes = set(
	"jpegphoto", "logonhours", "ms-ds-consistencyguid", "msexcharchiveguid", "msexchmailboxguid", "msexchmailboxsecuritydescriptor",
	"msexchmasteraccountsid", "ntsecuritydescriptor", "objectguid", "objectsid", "parentguid", "sidhistory", "thumbnailphoto",
	"usercertificate", "userpassword", "usersmimecertificate",
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}
