#include "page/html.h"

#include <descent/core/error.h>

namespace app {

using descent::to_text;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '<'   ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '&' ? "&amp;"
           : c == '"' ? "&quot;"
                      : std::string(1, c);
  return out;
}

std::string html_table(const std::vector<std::vector<std::string>>& rows, std::size_t texts) {
  std::string s = "<div class=\"wide\"><table>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    s += "<tr>";
    for (std::size_t c = 0; c < rows[r].size(); ++c)
      s += to_text(r == 0 ? "<th" : "<td", c >= texts ? " class=\"text\">" : ">",
                   escaped(rows[r][c]), r == 0 ? "</th>" : "</td>");
    s += "</tr>\n";
  }
  return s + "</table></div>\n";
}

std::string html_page(const std::string& title, const std::string& body) {
  return to_text(R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>)",
                 escaped(title), R"(</title>
<style>
:root { color-scheme: light dark; --line: #8884; --good: #00795a; --bad: #b34700; }
@media (prefers-color-scheme: dark) {
  :root { --good: #3fcf9f; --bad: #ff9c5a;
    --c0: #4da3e0; --c1: #f0b432; --c2: #2fc493; --c3: #e79cc6; --c4: #f2803a; --c5: #8ecdf2; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
code, pre { font-size: .9em; overflow-wrap: anywhere; white-space: pre-wrap; }
.verdict { font-size: 1.05rem; border-left: 4px solid #0072B2; padding: .2rem .8rem; }
.alarm { border-left: 4px solid #D55E00; padding: .2rem .8rem; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.wide { overflow-x: auto; margin: .8rem 0; } .prose table { white-space: normal; } table { border-collapse: collapse; white-space: nowrap; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, .text { text-align: left; } td.text { white-space: normal; min-width: 15rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); gap: 1rem; }
.charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
svg { width: 100%; height: auto; } a { color: inherit; }
</style></head><body>
)",
                 body, "</body></html>\n");
}

}  // namespace app
