package render

import "github.com/rollcall-cli/rollcall/plan"

// riskStyles are how levels of risk look.
var riskStyles = [...]style{plan.NoRisk: dim, plan.LowRisk: plain, plan.MediumRisk: yellow, plan.HighRisk: red}

// risk says in words what the change set means, behind the level of each sentence.
// Where it takes nothing from anybody, one line says that.
func (o *page) risk(p *plan.Plan) {
	all := p.Risks
	level := p.RiskLevel()
	if len(all) == 1 && level == plan.NoRisk {
		o.prose(0, "Risk: ", bold, level.String()+", "+clean(all[0].Text()))
		return
	}
	o.line(bold, "Risk: %s", level)
	for i := range all {
		name := all[i].Level.String()
		o.prose(margin, name+"      "[len(name):]+"  ", riskStyles[all[i].Level], clean(all[i].Text()))
	}
}
