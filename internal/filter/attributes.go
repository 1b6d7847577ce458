package filter

// kind is what an attribute holds, and so how its values are compared.
type kind uint8

const (
	texts    kind = iota // without letter case, and whatever is not known
	names                // distinguished names
	octets               // octets, even where these happen to be text
	integers             // decimal numbers (RFC 4517 section 3.3.16)
	booleans             // TRUE or FALSE (section 3.3.3)
	times                // GeneralizedTime (section 3.3.13)
	uuids                // UUIDs as text (RFC 4530)
	phones               // telephone numbers, without spaces and hyphens
)

// String says what values of the kind are, for messages.
func (k kind) String() string {
	return [...]string{"text", "distinguished names", "octets", "whole numbers", "TRUE or FALSE", "times", "UUIDs", "telephone numbers"}[k]
}

// kinds are those of attributes by name, as [AttributeName] writes it, in RFC
// 4512, 4519, 4524, 4530 and 2307, and in the schemas of Active Directory,
// Exchange, OpenLDAP, 389 Directory Server and FreeIPA. Names that mean different
// things to servers are not among them.
var kinds = func() map[string]kind {
	m := map[string]kind{}
	for k, list := range map[kind][]string{
		names: {
			"altrecipient", "altrecipientbl", "authorig", "authorigbl", "creatorsname", "directreports", "distinguishedname", "dlmemrejectperms",
			"dlmemsubmitperms", "entrydn", "homemdb", "homemta", "lastknownparent", "managedby", "managedobjects", "manager", "member", "memberof",
			"modifiersname", "msexchbypassmoderationlink", "msexchcomanagedbylink", "msexchdelegatelistlink", "msexchmoderatedbylink",
			"nsroledn", "objectcategory", "owner", "publicdelegates", "publicdelegatesbl", "roleoccupant", "secretary", "seealso",
			"subschemasubentry", "unauthorig", "uniquemember",
		},
		octets: {
			"jpegphoto", "logonhours", "ms-ds-consistencyguid", "msexcharchiveguid", "msexchmailboxguid", "msexchmailboxsecuritydescriptor",
			"msexchmasteraccountsid", "ntsecuritydescriptor", "objectguid", "objectsid", "parentguid", "sidhistory", "thumbnailphoto",
			"usercertificate", "userpassword", "usersmimecertificate",
		},
		integers: {
			// Active Directory
			"accountexpires", "admincount", "badpasswordtime", "badpwdcount", "codepage", "countrycode", "grouptype", "instancetype", "lastlogoff",
			"lastlogon", "lastlogontimestamp", "lockouttime", "logoncount", "msds-supportedencryptiontypes", "msds-user-account-control-computed",
			"msds-userpasswordexpirytimecomputed", "primarygroupid", "primarygrouptoken", "pwdlastset", "samaccounttype", "searchflags", "systemflags",
			"useraccountcontrol", "usnchanged", "usncreated",
			// Exchange
			"delivcontlength", "internetencoding", "mdboverhardquotalimit", "mdboverquotalimit", "mdbstoragequota", "msexchelcmailboxflags",
			"msexchmoderationflags", "msexchprovisioningflags", "msexchrecipientdisplaytype", "msexchrecipienttypedetails",
			"msexchremoterecipienttype", "msexchversion", "submissioncontlength",
			// RFC 2307, and password policies
			"gidnumber", "passwordretrycount", "pwdgraceauthnlimit", "pwdmaxage", "pwdmaxfailure", "shadowexpire", "shadowflag", "shadowinactive",
			"shadowlastchange", "shadowmax", "shadowmin", "shadowwarning", "uidnumber",
		},
		booleans: {
			// Active Directory and Exchange
			"deliverandredirect", "hidedlmembership", "iscriticalsystemobject", "isdeleted", "isrecycled", "mapirecipient", "mdbusedefaults",
			"ms-ds-userpasswordnotrequired", "msds-useraccountdisabled", "msds-userdontexpirepassword", "msds-userpasswordexpired",
			"msexchenablemoderation", "msexchhidefromaddresslists", "msexchrequireauthtosendto", "msnpallowdialin", "mstsallowlogon",
			"oofreplytooriginator", "reporttooriginator", "reporttoowner",
			"showinadvancedviewonly",
			// Others
			"hassubordinates", "logindisabled", "pwdlockout", "pwdmustchange", "pwdreset",
		},
		times: {
			// Active Directory and Exchange
			"currenttime", "dscorepropagationdata", "msexchwhenmailboxcreated", "msexchwhensoftdeletedtime", "mstsexpiredate", "whenchanged", "whencreated",
			// Others
			"accountunlocktime", "authtimestamp", "createtimestamp", "krblastfailedauth", "krblastpwdchange", "krblastsuccessfulauth",
			"krbpasswordexpiration", "krbprincipalexpiration", "lastlogintime", "modifytimestamp", "passwordexpirationtime", "pwdaccountlockedtime",
			"pwdchangedtime", "pwdendtime", "pwdfailuretime", "pwdgraceusetime", "pwdlastsuccess", "pwdstarttime", "retrycountresettime",
		},
		uuids:  {"entryuuid"},
		phones: {"homephone", "mobile", "pager", "telephonenumber"},
	} {
		for _, name := range list {
			m[name] = k
		}
	}
	return m
}()

// classOIDs are object classes by their OIDs (RFC 4519, RFC 4524, RFC 2798, RFC
// 2307, and MS-ADSC).
var classOIDs = map[string]string{
	"2.5.6.0":                      "top",
	"2.5.6.1":                      "alias",
	"2.5.6.2":                      "country",
	"2.5.6.3":                      "locality",
	"2.5.6.4":                      "organization",
	"2.5.6.5":                      "organizationalunit",
	"2.5.6.6":                      "person",
	"2.5.6.7":                      "organizationalperson",
	"2.5.6.8":                      "organizationalrole",
	"2.5.6.9":                      "groupofnames",
	"2.5.6.10":                     "residentialperson",
	"2.5.6.11":                     "applicationprocess",
	"2.5.6.14":                     "device",
	"2.5.6.17":                     "groupofuniquenames",
	"2.5.17.0":                     "subentry",
	"0.9.2342.19200300.100.4.5":    "account",
	"0.9.2342.19200300.100.4.13":   "domain",
	"0.9.2342.19200300.100.4.18":   "friendlycountry",
	"0.9.2342.19200300.100.4.19":   "simplesecurityobject",
	"1.3.6.1.1.1.2.0":              "posixaccount",
	"1.3.6.1.1.1.2.1":              "shadowaccount",
	"1.3.6.1.1.1.2.2":              "posixgroup",
	"1.3.6.1.1.3.1":                "uidobject",
	"1.3.6.1.4.1.1466.344":         "dcobject",
	"1.3.6.1.4.1.1466.101.120.111": "extensibleobject",
	"1.3.6.1.4.1.42.2.27.1.2.5":    "nismailalias",
	"2.16.840.1.113730.3.2.2":      "inetorgperson",
	"2.16.840.1.113730.3.2.33":     "groupofurls",
	"2.16.840.1.113730.3.2.147":    "inetlocalmailrecipient",
	"1.2.840.113556.1.3.23":        "container",
	"1.2.840.113556.1.3.30":        "computer",
	"1.2.840.113556.1.5.6":         "securityprincipal",
	"1.2.840.113556.1.5.8":         "group",
	"1.2.840.113556.1.5.9":         "user",
	"1.2.840.113556.1.5.15":        "contact",
	"1.2.840.113556.1.5.67":        "domaindns",
	"1.2.840.113556.1.5.76":        "foreignsecurityprincipal",
	"1.2.840.113556.1.5.264":       "msds-managedserviceaccount",
	"1.2.840.113556.1.5.282":       "msds-groupmanagedserviceaccount",
}
