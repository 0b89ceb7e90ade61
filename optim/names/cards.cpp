// Cards as text: one in full, several side by side, all as a table.
#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/optim/names/registry.h>

#include <algorithm>
#include <utility>

namespace descent::optim {
namespace {

/// Breaks text into lines of at most `width` columns.
std::vector<std::string> wrap_text(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t i = 0, end; i < text.size(); i = end + 1) {
    end = std::min(text.find(' ', i), text.size());
    const std::string_view word = text.substr(i, end - i);
    if (!line.empty() && columns(line) + 1 + columns(word) > width)
      lines.push_back(std::exchange(line, ""));
    line += to_text(line.empty() ? "" : " ", word);
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

/// Breaks text into lines of at most `width` columns, each indented by `indent` columns.
std::string indented(std::string_view text, std::size_t width, std::size_t indent) {
  std::string s;
  for (const std::string& line : wrap_text(text, width - indent))
    s += std::string(indent, ' ') + line + "\n";
  return s;
}

bool keeps_a_matrix(const Entry& e) {
  return e.card.most_weights > 0 && e.card.state == 0 && !e.takes_residuals;
}
std::string state_text(const Entry& e) {
  const Card& c = e.card;
  const std::string limit =
      c.most_weights > 0 ? to_text(", at most ", c.most_weights, " parameters") : "";
  if (keeps_a_matrix(e)) return "n² numbers for n parameters" + limit;
  return to_text(c.state, c.state == 1 ? " number" : " numbers", " per parameter (", 4 * c.state,
                 " bytes in float32)", limit);
}
std::string cost_text(const Card& c) {
  return to_text(c.gradient_evaluations > 2 ? "about " : "", c.gradient_evaluations,
                 c.gradient_evaluations == 1 ? " evaluation" : " evaluations", " a step");
}

/// How the optimizer is written in C++.
std::string code_of(const Entry& e) {
  if (e.is_preset)
    return to_text("optim::make(\"", e.name, e.is_wrapper ? "(adamw)" : "", "\", parameters)");
  return e.is_wrapper ? to_text("optim::wrap(optimizer, ", e.type, "{})") : e.type;
}

/// A whole program, for a rule whose closure differs from those of other rules.
std::string program_of(const Entry& e) {
  if (!e.takes_residuals) return {};
  const bool whole_fit = std::ranges::find(e.fields, "max_iter", &Field::name) != e.fields.end();
  return to_text(R"(
  a program
    #include <descent/descent.h>
    #include <iostream>
    using namespace descent;

    int main() {
      const Tensor t = arange(0, 6, 1, kFloat64);
      const Tensor counts = tensor({79.0, 50.0, 33.0, 25.0, 18.0, 16.0}, kFloat64);
      Tensor p = tensor({50.0, 1.0, 0.0}, kFloat64).requires_grad_();  // the start
)",
                 e.is_preset
                     ? to_text("      auto fit = optim::make(\"", e.name, "\", {{\"p\", p}});\n")
                     : to_text("      optim::Optimizer fit({p}, ", e.type, "{});\n"),
                 whole_fit ? "" : "      for (int step = 0; step < 50; ++step)\n  ",
                 "      fit.step([&] { return p[0] * exp(-p[1] * t) + p[2] - counts; });\n",
                 "      std::cout << p.detach() << \" \" << fit.ended() << \"\\n\";\n    }\n");
}

/// The sections of a card in compare_cards(), each with its title.
std::vector<std::pair<const char*, std::string>> sections_of(const Entry& e) {
  const Card& c = e.card;
  std::string settings;
  for (const Field& f : e.fields)
    settings += to_text(settings.empty() ? "" : " ", f.name, "=", f.text);
  return {{"", e.name},
          {"", std::string(c.title)},
          {"UPDATE", std::string(c.formula)},
          {"STATE", state_text(e)},
          {"GRADIENTS", cost_text(c)},
          {"SETTINGS", settings},
          {"USE IT FOR", std::string(c.when)},
          {"NOT FOR", std::string(c.avoid)},
          {"BEWARE", std::string(c.traps)},
          {"SOURCE", std::string(c.paper)}};
}

}  // namespace

std::string explain(const Entry& e, std::size_t width) {
  const Card& c = e.card;
  std::string s = to_text(e.name, c.title.empty() ? "" : ": ", c.title, "\n\n");
  if (!c.formula.empty()) s += indented(c.formula, width, 2) + "\n";
  if (!c.paper.empty()) s += "  source     " + indented(c.paper, width, 13).substr(13);
  if (!e.type.empty()) s += to_text("  in C++     ", code_of(e), "\n");
  s += to_text("  state      ", state_text(e), "\n  gradients  ", cost_text(c), "\n");
  if (!e.fields.empty()) s += "\n  settings\n";
  std::size_t name_width = 0, text_width = 0;
  for (const Field& f : e.fields) {
    name_width = std::max(name_width, f.name.size());
    text_width = std::max(text_width, f.text.size());
  }
  for (const Field& f : e.fields)
    s += to_text("    ", padded(f.name, name_width), "  ", padded(f.text, text_width), "  ",
                 f.is_switch ? "switch" : f.range.text(), "\n");
  for (const auto& [title, text] :
       {std::pair{"use it for", c.when}, {"not for", c.avoid}, {"beware", c.traps}})
    if (!text.empty()) s += to_text("\n  ", title, "\n", indented(text, width, 4));
  return s + program_of(e);
}

std::string compare_cards(const std::vector<std::string>& names, std::size_t width) {
  std::vector<std::vector<std::pair<const char*, std::string>>> cards;
  for (const std::string& name : names) cards.push_back(sections_of(find_optimizer(name)));
  if (cards.empty()) fail<ValueError>("compare_cards", "got no names, expected some");
  const std::size_t gap = 2, column = (width + gap) / cards.size() - gap;
  if (column < 18)
    fail<ValueError>("compare_cards", "got ", names.size(), " optimizers for a width of ", width,
                     ", expected at most ", (width + gap) / (18 + gap));
  std::string s;
  for (std::size_t k = 0; k < cards.front().size(); ++k) {
    std::vector<std::vector<std::string>> columns;  // the lines of the section in each card
    std::size_t rows = 0;
    for (const auto& sections : cards) {
      columns.push_back(wrap_text(sections[k].second, column));
      rows = std::max(rows, columns.back().size());
    }
    const std::string title = cards.front()[k].first;
    if (rows > 0 && !title.empty()) s += "\n" + title + "\n";
    for (std::size_t row = 0; row < rows; ++row) {
      std::string line;
      for (const auto& lines : columns)
        line += padded(row < lines.size() ? lines[row] : "", column) + std::string(gap, ' ');
      s += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
  }
  return s;
}

std::string markdown_table() {
  std::string s =
      "| Name | What | Update | Source | State | Gradients |\n|---|---|---|---|---|---|\n";
  for (const Entry& e : registry()) {
    std::string formula;
    for (const char c : e.card.formula) formula += c == '|' ? "\\|" : std::string(1, c);
    s += to_text("| `", e.name, "` | ", e.card.title, " | ", formula, " | ", e.card.paper, " | ",
                 keeps_a_matrix(e) ? "n" : to_text(e.card.state), " | ",
                 e.card.gradient_evaluations, " |\n");
  }
  return s;
}

}  // namespace descent::optim
