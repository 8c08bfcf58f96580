// The chart page's entry: styles, then the page.
import 'uplot/dist/uPlot.min.css';
import './page.css';
import './rail.css';
import './charts.css';
import './dialogs.css';
import './phone.css';
import './account.css';
import { openPage } from './app.ts';

void openPage();
