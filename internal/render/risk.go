package render

import "github.com/rollcall-cli/rollcall/plan"

// riskSigns are how levels of risk are marked.
var riskSigns = [...]span{
	plan.NoRisk:   {" ", plain},
	plan.LowRisk:  {"~", yellow},
	plan.HighRisk: {"!", red},
}

// risk says in words what the change set means. Where it takes nothing from
// anybody, one line says that.
func (o *page) risk(p *plan.Plan) {
	all := p.Risks()
	level := plan.RiskOf(all)
	if len(all) == 1 && level == plan.NoRisk {
		o.prose(0, "Risk: ", bold, level.String()+", "+clean(all[0].Text()))
		return
	}
	o.line(bold, "Risk: %s", level)
	for i := range all {
		sign := riskSigns[all[i].Level]
		o.prose(0, sign.text+" ", sign.style, clean(all[i].Text()))
	}
}
