// descent export: a trained model for programs without Descent.
#include "commands/commands.h"
#include "run/choice.h"
#include "run/data.h"

#include <descent/data/export.h>
#include <descent/descent.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

namespace app {

using namespace descent;

namespace {

struct ExportOptions {
  std::string model, format, out, prefix = "model";
};

struct Format {
  const char *name, *help;
  void (*write)(const TableModel& model, const ExportOptions& o);
};
constexpr std::array kFormats{
    Format{"c", "one header of C99 that needs math.h alone; also C++",
           [](const TableModel& m, const ExportOptions& o) {
             write_file(o.out, data::to_c(m, o.prefix));
           }},
    Format{
        "onnx", "ONNX, opset 13",
        [](const TableModel& m, const ExportOptions& o) { write_file(o.out, data::to_onnx(m)); }},
    Format{"npz", "arrays of NumPy",
           [](const TableModel& m, const ExportOptions& o) {
             data::save_npz(o.out, data::to_arrays(m));
           }},
};

int export_model(ExportOptions o) {
  if (o.out.empty()) o.out = to_text(o.prefix, ".", o.format == "c" ? "h" : o.format);
  check_outputs(o.model, {{"--out", o.out}});
  const TableModel model = load_model(o.model);
  choose("--format", kFormats, o.format).write(model, o);
  for (const data::Feature& f : model.schema.features)
    if (f.shift != 0 && o.format != "c")
      std::cout << "the input '" << brief(f.name) << "' is to be given less "
                << format(f.shift, "%.0f") << ", since floats cannot tell such numbers apart\n";
  std::cout << "the model is in " << o.out << "\n";
  return kOk;
}

std::function<int()> add(CLI::App& app) {
  const auto o = std::make_shared<ExportOptions>();
  app.add_option("model", o->model, "model.safetensors of `descent train`")->required();
  app.add_option("--format", o->format, joined(names_of(kFormats)))->required();
  app.add_option("--out", o->out, "file to write (default: the prefix, with the format's ending)");
  app.add_option("--prefix", o->prefix, "what all names of the header of C begin with")
      ->capture_default_str();
  app.footer(help_of("Formats", kFormats));
  return [o] { return export_model(*o); };
}

}  // namespace

const Command kExport{"export", "Write a trained model for C, ONNX or NumPy", add};

}  // namespace app
