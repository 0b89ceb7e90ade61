// Cards as text: one in full, several side by side, all as a table.
#include <descent/core/error.h>
#include <descent/optim/names/registry.h>

#include <algorithm>

namespace descent::optim {
namespace {

/// Counts code points. A terminal shows each as one column.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// Breaks text into lines of at most `width` columns, each indented by `indent` columns.
std::string wrap_text(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out, line;
  std::size_t columns = 0;
  const auto flush = [&] {
    out += std::string(indent, ' ') + line + "\n";
    line.clear();
    columns = 0;
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = text.find(' ', i);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(i, end - i);
    const auto length = columns_of(word);
    if (columns > 0 && columns + 1 + length > width - indent) flush();
    if (columns > 0) line += ' ', ++columns;
    line += word;
    columns += length;
    i = end + 1;
  }
  if (!line.empty()) flush();
  return out;
}

std::string state_text(const Card& c) {
  return to_text(c.state, c.state == 1 ? " number" : " numbers", " per parameter (", 4 * c.state,
                 " bytes in float32)");
}
std::string cost_text(const Card& c) {
  return to_text(c.gradient_evaluations,
                 c.gradient_evaluations == 1 ? " evaluation" : " evaluations", " a step");
}

}  // namespace

std::string explain(const Entry& e, std::size_t width) {
  const Card& c = e.card;
  std::string s = to_text(e.name, ": ", c.title, "\n\n");
  s += wrap_text(c.formula, width, 2);
  s += "\n  source     " + wrap_text(c.paper, width, 13).substr(13);
  s += to_text("  state      ", state_text(c), "\n  gradients  ", cost_text(c), "\n");
  if (!e.fields.empty()) s += "\n  settings\n";
  std::size_t name_width = 0, text_width = 0;
  for (const auto& f : e.fields) {
    name_width = std::max(name_width, f.name.size());
    text_width = std::max(text_width, f.text.size());
  }
  for (const auto& f : e.fields)
    s += to_text("    ", f.name, std::string(name_width - f.name.size() + 2, ' '), f.text,
                 std::string(text_width - f.text.size() + 2, ' '),
                 f.is_switch ? "switch" : f.range.text(), "\n");
  s += "\n  use it for\n" + wrap_text(c.when, width, 4);
  if (!c.avoid.empty()) s += "\n  not for\n" + wrap_text(c.avoid, width, 4);
  s += "\n  beware\n" + wrap_text(c.traps, width, 4);
  return s;
}

std::string compare_cards(const std::vector<std::string>& names, std::size_t width) {
  std::vector<const Entry*> entries;
  for (const std::string& name : names) entries.push_back(&find_optimizer(name));
  if (entries.empty()) fail<ValueError>("compare_cards", "got no names, expected some");
  const std::size_t gap = 2, column = (width + gap) / entries.size() - gap;
  if (column < 18)
    fail<ValueError>("compare_cards", "got ", names.size(), " optimizers for a width of ", width,
                     ", expected at most ", (width + gap) / (18 + gap));
  std::string s;
  // Adds one section: a title, and the text of each card in a column of its own.
  const auto section = [&](std::string_view title, const auto& text_of) {
    std::vector<std::vector<std::string>> columns;
    std::size_t most = 0;
    for (const Entry* e : entries) {
      std::vector<std::string>& lines = columns.emplace_back();
      const std::string wrapped = wrap_text(text_of(*e), column, 0);
      for (std::size_t at = 0; at < wrapped.size();) {
        const std::size_t end = wrapped.find('\n', at);
        lines.push_back(wrapped.substr(at, end - at));
        at = end + 1;
      }
      most = std::max(most, lines.size());
    }
    if (most == 0) return;
    if (!title.empty()) s += to_text("\n", title, "\n");
    for (std::size_t row = 0; row < most; ++row) {
      std::string line;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string text = row < columns[i].size() ? columns[i][row] : "";
        if (i + 1 == columns.size())
          line += text;
        else
          line += text + std::string(column + gap - std::min(column, columns_of(text)), ' ');
      }
      s += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
  };
  section("", [](const Entry& e) { return to_text(e.name); });
  section("", [](const Entry& e) { return std::string(e.card.title); });
  section("UPDATE", [](const Entry& e) { return std::string(e.card.formula); });
  section("STATE", [](const Entry& e) { return state_text(e.card); });
  section("GRADIENTS", [](const Entry& e) { return cost_text(e.card); });
  section("SETTINGS", [](const Entry& e) {
    std::string text;
    for (const auto& f : e.fields) text += to_text(text.empty() ? "" : " ", f.name, "=", f.text);
    return text;
  });
  section("USE IT FOR", [](const Entry& e) { return std::string(e.card.when); });
  section("NOT FOR", [](const Entry& e) { return std::string(e.card.avoid); });
  section("BEWARE", [](const Entry& e) { return std::string(e.card.traps); });
  section("SOURCE", [](const Entry& e) { return std::string(e.card.paper); });
  return s;
}

std::string markdown_table() {
  std::string s =
      "| Name | What | Update | Source | State | Gradients |\n|---|---|---|---|---|---|\n";
  for (const Entry& e : registry()) {
    std::string formula;
    for (const char c : e.card.formula) formula += c == '|' ? "\\|" : std::string(1, c);
    s += to_text("| `", e.name, "` | ", e.card.title, " | ", formula, " | ", e.card.paper, " | ",
                 e.card.state, " | ", e.card.gradient_evaluations, " |\n");
  }
  return s;
}

}  // namespace descent::optim
