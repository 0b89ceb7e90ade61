// descent claims: measures every claim and says whether it holds.
#include "commands/commands.h"
#include "page/html.h"
#include "run/jobs.h"
#include "run/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

namespace app {

using namespace descent;

namespace {

/// The claims with these names. If there are no names, all claims. Throws UsageError for an unknown
/// name.
std::vector<const Claim*> chosen(const std::vector<std::string>& names) {
  if (names.empty()) return all_claims();
  std::vector<std::string> known;
  for (const Claim* c : all_claims()) known.push_back(c->name);
  std::vector<const Claim*> picked;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) fail<UsageError>("--only", refusal(name, known));
    picked.push_back(all_claims()[static_cast<std::size_t>(found - known.begin())]);
  }
  return picked;
}

std::string line_of(const Claim& c, const Evidence& e) {
  std::vector<std::string> figures;
  for (const Evidence::Figure& f : e.figures())
    figures.push_back(
        to_text(f.what, ": ", f.got, f.holds ? "" : to_text(" (expected ", f.criterion, ")")));
  return to_text(e.holds() ? "holds          " : "does not hold  ", c.name,
                 std::string(15 - std::min<std::size_t>(14, c.name.size()), ' '),
                 joined(figures, "; "), "\n");
}

std::string section_of(const Claim& c, const Evidence& e) {
  std::vector<std::vector<std::string>> rows{{"figure", "measured", "expected", ""}};
  for (const Evidence::Figure& f : e.figures())
    rows.push_back({f.what, f.got, f.criterion, f.holds ? "✓" : "✗"});
  std::string s = to_text("<h2 id=\"", c.name, "\">", escaped(c.sentence), "</h2>\n<p class=\"",
                          e.holds() ? "good\">Holds." : "bad\">Does not hold.", "</p>\n<p>",
                          escaped(c.experiment), "</p>\n<div class=\"prose\">", html_table(rows),
                          "</div>\n<div class=\"charts\">\n");
  for (const std::string& picture : e.pictures()) s += picture;
  return s + "</div>\n";
}

}  // namespace

int show_claims(const std::vector<const Claim*>& claims, const std::string& out,
                const std::string& appendix) {
  const std::string folder = out.empty() ? "." : out;
  descent::make_folder(folder);
  std::vector<Evidence> evidence(claims.size());
  run_jobs(
      claims.size(), [&](std::size_t i) { claims[i]->measure(evidence[i]); },
      [&](std::size_t i) { return claims[i]->name; });
  std::size_t holding = 0;
  std::string sections, contents;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    holding += evidence[i].holds();
    std::cout << line_of(*claims[i], evidence[i]);
    sections += section_of(*claims[i], evidence[i]);
    contents +=
        to_text("<li><a href=\"#", claims[i]->name, "\">", escaped(claims[i]->sentence),
                "</a> <span class=\"", evidence[i].holds() ? "good\">holds" : "bad\">does not hold",
                "</span></li>\n");
  }
  const std::string verdict = to_text(holding, " of ", claims.size(), " claims hold.");
  write_file(folder + "/claims.html",
             html_page("What optimizers do, measured",
                       to_text("<h1>What optimizers do, measured</h1>\n<p class=\"verdict\">",
                               verdict, "</p>\n<ol>\n", contents, "</ol>\n", sections, appendix)));
  std::cout << verdict << " Pictures: " << folder << "/claims.html\n";
  return holding == claims.size() ? kOk : kTrainingFailed;
}

namespace {

struct Asked {
  std::vector<std::string> only;
  std::string out;
};

std::function<int()> add(CLI::App& app) {
  const auto a = std::make_shared<Asked>();
  app.add_option("--only", a->only, "names of claims, as sam,adamw (default: all)")->delimiter(',');
  app.add_option("--out", a->out, "folder for claims.html (default: the present one)");
  return [a] {
    use_threads(0);
    return show_claims(chosen(a->only), a->out, a->only.empty() ? gallery() : std::string());
  };
}

}  // namespace

const Command kClaims{"claims", "Measure what is claimed of optimizers, with pictures", add};

}  // namespace app
