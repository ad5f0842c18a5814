// The parts of Apache ECharts that the charts of a report need; what is not named here is not in the page.
//
// No BarChart, HeatmapChart or VisualMap: the bars and cells here are of unequal width on a logarithmic axis, which a
// CustomChart draws, and phases behind lines as well. No Legend: marks in a picture can not be reached with a keyboard, so
// charts.js has buttons of its own.
import * as echarts from "echarts/core";
import { CustomChart, LineChart } from "echarts/charts";
import {
  AxisPointerComponent,
  DataZoomInsideComponent,
  DataZoomSliderComponent,
  GridComponent,
  TooltipComponent,
} from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

echarts.use([
  CustomChart,
  LineChart,
  AxisPointerComponent,
  DataZoomInsideComponent,
  DataZoomSliderComponent,
  GridComponent,
  TooltipComponent,
  SVGRenderer,
]);

window.echarts = { version: echarts.version, init: echarts.init };
