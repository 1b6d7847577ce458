package render

import "github.com/rollcall-cli/rollcall/plan"

// riskStyles are how levels of risk look.
var riskStyles = [...]style{plan.NoRisk: dim, plan.LowRisk: plain, plan.MediumRisk: yellow, plan.HighRisk: red}

// risk says in words what the change set means, behind the level of each sentence.
// Where no address stops, its first line says that.
func (o *page) risk(p *plan.Plan) {
	all := p.Risks
	level := p.RiskLevel()
	if level == plan.NoRisk && len(all) > 0 && all[0].Count == 0 {
		o.prose(0, "Risk: ", bold, level.String()+", "+clean(all[0].Text()))
	} else {
		o.line(bold, "Risk: %s", level)
	}
	for _, r := range told(all) {
		name := r.Level.String()
		o.prose(margin, name+"      "[len(name):]+"  ", riskStyles[r.Level], clean(r.Text()))
	}
}

// told are the risks that say more than that no address stops.
func told(all []plan.Risk) []plan.Risk {
	if len(all) > 0 && all[0].Code == plan.AddressesStop && all[0].Count == 0 {
		return all[1:]
	}
	return all
}
